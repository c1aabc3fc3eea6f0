# What stands in for "other modules" in the book's flakes: enough for a system to evaluate.
{
  fileSystems."/" = {
    device = "/dev/disk/by-label/root";
    fsType = "ext4";
  };
  boot.loader.grub.enable = false;
}
