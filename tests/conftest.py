"""What all tests share."""

import signal

# A shell starts its background jobs with Ctrl-C ignored, and every child inherits that:
# the tests that interrupt a program would wait for ever.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
