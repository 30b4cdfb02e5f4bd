"""Adds a launcher to the panel, by the name of its desktop file. Run while the image is made, by an option's script."""

import re
import sys
from pathlib import Path

PANEL = Path("/etc/xdg/xfce4/xfconf/xfce-perchannel-xml/xfce4-panel.xml")
LAUNCHER = """    <property name="plugin-{number}" type="string" value="launcher">
      <property name="items" type="array">
        <value type="string" value="{desktop}"/>
      </property>
    </property>
"""

text = PANEL.read_text(encoding="utf-8")
for desktop in sys.argv[1:]:
    number = max(int(found) for found in re.findall(r'name="plugin-(\d+)"', text)) + 1
    for mark, added in (
        ("        <!-- launchers of options -->\n", f'        <value type="int" value="{number}"/>\n'),
        ("    <!-- plugins of options -->\n", LAUNCHER.format(number=number, desktop=desktop)),
    ):
        if mark not in text:
            sys.exit(f"{PANEL} has no place for launchers")
        text = text.replace(mark, added + mark)
PANEL.write_text(text, encoding="utf-8")
