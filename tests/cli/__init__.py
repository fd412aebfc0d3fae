"""`lastcall run`, judged from outside: real programs, real signals, a real terminal."""
