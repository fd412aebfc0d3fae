
class Other:
    pass


Other.__del__ = lambda self: None
