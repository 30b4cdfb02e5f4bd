#!/bin/sh
# Run by the image build inside the new root, after the script of images/common/debian-desktop.
set -eu

# A screen that has another name than the one in the settings shows this too.
mkdir -p /usr/share/images/desktop-base /usr/share/backgrounds/xfce
ln -sf /usr/share/backgrounds/frazil/1.png /usr/share/images/desktop-base/default
find /usr/share/backgrounds/xfce -type f -delete
ln -sf /usr/share/backgrounds/frazil/1.png /usr/share/backgrounds/xfce/xfce-shapes.svg
# Entries of the menu that do nothing here: power and a display's physical properties belong to the host.
for unused in xfce4-about xfce4-accessibility-settings xfce-display-settings xfce4-file-manager xfce4-mail-reader \
    xfce4-terminal-emulator xfce4-web-browser thunar-bulk-rename thunar-settings xfce4-run exo-preferred-applications; do
    file="/usr/share/applications/$unused.desktop"
    [ ! -e "$file" ] || echo NoDisplay=true >> "$file"
done
rm -f /etc/xdg/autostart/xscreensaver.desktop /etc/xdg/autostart/at-spi-dbus-bus.desktop
glib-compile-schemas /usr/share/glib-2.0/schemas 2>/dev/null || true
update-desktop-database -q
