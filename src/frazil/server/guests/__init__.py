"""What is heard from inside a desktop: QEMU's guest agent and Frazil's guest service."""
