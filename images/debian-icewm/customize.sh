#!/bin/sh
# Run by the image build inside the new root, after the script of images/common/debian-desktop.
set -eu

# icewmbg ends at once when it has one picture only, and would miss that the screen's size changed.
ln -s 1.png /usr/share/backgrounds/frazil/2.png
theme=/usr/share/icewm/themes/frazil
python3 /usr/share/frazil/titlebuttons.py "$theme"
rm -f /usr/share/frazil/titlebuttons.py
# IceWM gets the few icons that it shows by name; searching whole icon themes at every start is slow.
for pair in terminal:utilities-terminal files:system-file-manager editor:accessories-text-editor; do
    for size in 16 22 32 48; do
        cp "/usr/share/icons/elementary-xfce/apps/$size/${pair#*:}.png" \
            "/usr/share/icewm/icons/frazil-${pair%%:*}_${size}x${size}.png"
    done
done
rm -rf /usr/share/icewm/themes/CrystalBlue /usr/share/icewm/themes/Helix /usr/share/icewm/themes/Infadel2 \
    /usr/share/icewm/themes/NanoBlue /usr/share/icewm/themes/icedesert /usr/share/icewm/themes/metal2 \
    /usr/share/icewm/themes/motif /usr/share/icewm/themes/win95
