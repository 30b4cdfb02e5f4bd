#!/bin/sh
set -eu
python3 /usr/share/frazil/add-launcher.py firefox-esr.desktop
