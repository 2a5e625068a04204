"""Run directories: what one holds, finding and comparing them, handing them to other tools."""
