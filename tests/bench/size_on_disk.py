"""The bytes that a Python program needs on the disk: interpreter, standard library, and these distributions."""
import os
import sys
import sysconfig
from importlib import metadata

stdlib = sysconfig.get_path("stdlib")
total = os.path.getsize(os.path.realpath(sys.executable))
for folder, subfolders, files in os.walk(stdlib):
    subfolders[:] = [name for name in subfolders if name not in ("site-packages", "test", "__pycache__")]
    total += sum(os.path.getsize(os.path.join(folder, name)) for name in files if os.path.isfile(os.path.join(folder, name)))
for name in sys.argv[1:]:
    for file in metadata.files(name) or []:
        path = file.locate()
        if os.path.isfile(path) and not str(path).endswith(".pyc"):
            total += os.path.getsize(path)
print(total)
