"""KneeOA grades osteoarthritis on plain knee radiographs.

The main path, from a file to a report:

    from kneeoa import KneeGrader, read_radiograph
    grades = KneeGrader.load().grade(read_radiograph("film.dcm"))

Research and decision support for trained readers; not a cleared medical device.
"""

__version__ = "0.1.0"
