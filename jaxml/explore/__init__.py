"""What is asked once a verdict is written: where it holds (`mapping`), what breaks it (`refute`), and whether it stands
under other settings of the machine (`certify`).
"""
