# From the entries (name, "type mode size inode links", target): each file that has content, once, as ./name.
BEGIN { FS = "\001" }
{
  split($2, of, " ")
  if (of[1] == "f" && of[3] != 0 && !(of[4] in seen)) {
    if (of[5] > 1) seen[of[4]] = 1
    print "./" $1
  }
}
