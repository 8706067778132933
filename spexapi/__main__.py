"""python -m spexapi"""

from spexapi.cli import main

main()
