"""placeholder until table lands."""
def read_table(path):  raise NotImplementedError
