"""What takes longer than a test may: runs killed, damaged, starved of disk and handed hostile files, and counted.

``make resilience`` runs it all and writes the counts into docs/resilience.md. pytest does not collect it.
"""
