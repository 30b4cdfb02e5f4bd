#!/bin/sh
set -eu
python3 /usr/share/frazil/add-launcher.py libreoffice-writer.desktop libreoffice-calc.desktop
