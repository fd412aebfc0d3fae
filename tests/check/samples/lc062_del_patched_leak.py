import aiohttp

aiohttp.ClientSession.__del__ = lambda self: None  # expect: LC062
aiohttp.ClientSession.__del__ = print  # expect: LC062
del aiohttp.ClientSession.__del__  # expect: LC062
