#!/bin/sh
# Run by the image build inside the new root, before the desktop's own script. No service manager runs here:
# systemctl only makes links.
set -eu

# --- people -------------------------------------------------------------------------------------------------
mkdir -p /etc/skel/Desktop /etc/skel/Documents /etc/skel/Downloads /etc/skel/.config
printf 'XDG_%s_DIR="$HOME/%s"\n' DESKTOP Desktop DOCUMENTS Documents DOWNLOAD Downloads > /etc/skel/.config/user-dirs.dirs
# Warms programs up before a freeze (warm-up); nobody can sign in as it.
useradd --system --no-create-home --home-dir /run/frazil-warm-up/home --shell /usr/sbin/nologin frazil-scratch
passwd --lock root
printf 'desktop\n' > /etc/hostname
printf '127.0.0.1 localhost\n127.0.1.1 desktop\n::1 localhost ip6-localhost\n' > /etc/hosts
: > /etc/machine-id
ln -sf /usr/share/zoneinfo/Etc/UTC /etc/localtime
printf 'LANG=C.UTF-8\n' > /etc/default/locale
# The root is mounted as it shall be by the kernel's command line; remounting it costs time at every boot.

mkdir -p /etc/ssh  # a fork's host key lies here for whatever SSH server is installed later
rm -f /etc/fstab
printf 'set bell-style none\nset enable-bracketed-paste off\n' >> /etc/inputrc

# --- pictures ------------------------------------------------------------------------------------------------
mkdir -p /usr/share/backgrounds/frazil
rsvg-convert --width 1920 --height 1200 --output /usr/share/backgrounds/frazil/1.png /usr/share/frazil/wallpaper.svg
rm -f /usr/share/backgrounds/greybird.svg
gtk-update-icon-cache -q /usr/share/icons/elementary-xfce || true

# --- what runs -----------------------------------------------------------------------------------------------
systemctl set-default graphical.target
systemctl enable frazil-guest-session.socket frazil-guest-panel.socket frazil-guest-screen.socket dhcpcd.service \
    'run-frazil\x2dfolder-shared.automount'
# What a person's manager would run first at each sign-on, to find nothing.
mkdir -p /etc/systemd/user-generators /etc/systemd/user-environment-generators
ln -s /dev/null /etc/systemd/user-generators/systemd-xdg-autostart-generator
ln -s /dev/null /etc/systemd/user-environment-generators/30-systemd-environment-d-generator
# Nothing wakes an idle desktop: no timers at all, no consoles that nobody sees, no swap, no clean-up jobs.
systemctl mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
    systemd-tmpfiles-clean.timer e2scrub_reap.service getty.target getty@tty1.service serial-getty@ttyS0.service \
    autovt@.service getty-static.service \
    systemd-pstore.service systemd-binfmt.service proc-sys-fs-binfmt_misc.automount \
    systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-journal-flush.service \
    systemd-repart.service systemd-pcrphase.service systemd-pcrphase-sysinit.service systemd-firstboot.service \
    systemd-sysusers.service systemd-machine-id-commit.service systemd-random-seed.service \
    systemd-backlight@.service systemd-rfkill.service systemd-rfkill.socket systemd-networkd.service \
    systemd-initctl.socket systemd-journald-audit.socket systemd-fsck-root.service \
    sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount \
    dev-hugepages.mount dev-mqueue.mount alsa-state.service hwclock.service x11-common.service \
    cryptsetup.target veritysetup.target integritysetup.target remote-fs.target \
    modprobe@.service ldconfig.service systemd-hwdb-update.service systemd-boot-system-token.service \
    rc-local.service
rm -rf /etc/cron.d /etc/cron.daily
# spice-webdavd will not share a folder without avahi: D-Bus starts it then, for this machine alone (avahi-daemon.conf).
systemctl disable avahi-daemon.service avahi-daemon.socket
ln -s /lib/systemd/system/avahi-daemon.service /etc/systemd/system/dbus-org.freedesktop.Avahi.service
# A network card that comes after a fork is there at once: it needs no name, no description and no settings of its own.
for rules in 73-special-net-names 75-net-description 80-net-setup-link 81-net-dhcp; do
    ln -s /dev/null "/etc/udev/rules.d/$rules.rules"
done
sed '/systemd-sysctl/d' /usr/lib/udev/rules.d/99-systemd.rules > /etc/udev/rules.d/99-systemd.rules
# tiny-initramfs only stands in for the package that a kernel wants; the build makes the initial RAM disk.
rm -f /etc/kernel/postinst.d/tiny-initramfs /etc/kernel/postrm.d/tiny-initramfs /boot/initrd.img-* /initrd.img* /vmlinuz*

# --- caches that the first boot would otherwise make ------------------------------------------------------------
# fontconfig believes a cache only while its folder has the very time that it had, and a disk image keeps whole seconds.
find /usr/share/fonts /usr/local/share/fonts -type d -exec touch -d "@$(date +%s)" {} +
fc-cache --system-only --force
systemd-hwdb update 2>/dev/null || udevadm hwdb --update
update-mime-database /usr/share/mime
ldconfig
rm -rf /var/cache/debconf/*-old /var/lib/dpkg/*-old /var/log/*
