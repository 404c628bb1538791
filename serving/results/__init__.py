"""Printers of the report: everything shown is made from `FilmGrades` alone."""
