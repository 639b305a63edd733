"""What the command line can do, one module for each kind of work.

Each module has ``add(commands)``, which describes its commands to argparse. Whatever is
heavy is imported when a command runs, so that ``--help`` comes at once.
"""
