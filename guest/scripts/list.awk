# The list of ../PROTOCOL.md, from the entries. Variables: `content`, as the protocol has it; `units`, the size of the
# swap; `into`, a folder for what it leaves. Standard input, where content is on the device: what filefrag says of the files of files.awk, in their
# order. Its lines are told apart by their beginning, which no name can forge: each name stands behind "./".
#
# Content that follows in the swap lies at its end, the first file last: so its place is known before the length of the
# list is. Leaves in `content` what cat must be given to write it (file, filler up to the next unit, file, …) and in
# `content-start` the unit at which it begins; less than 0: the swap is too small.
BEGIN {
  FS = "\001"
  top = units
}

function stop(why) {
  print "slipway: " why > "/dev/stderr"
  stopped = 1
  exit 1
}

# Reads the lines of one file, up to the one that ends them, and says where its content is.
function extents(name, size,    line, header, found, i) {
  count = 0
  in_blocks = 1
  header = "File size of ./" name " is "
  while ((getline line < "/dev/stdin") > 0) {
    if (index(line, "File size of ") == 1) {
      if (index(line, header) != 1) stop("filefrag speaks of another file than " name)
      found = 1
    } else if (index(line, "./") == 1) {
      if (!found) stop("filefrag says nothing of " name)
      if (!in_blocks) return in_swap(name, size)
      for (i = 1; i <= count; i++) print "E disk " extent_of[i]
      return
    } else if (line ~ /^ *[0-9]+: /) extent(line)
  }
  stop("filefrag ended before " name)
}

#  ext:     logical_offset:        physical_offset: length:   expected: flags:
#    0:        0..      15:      34816..     34831:     16:             last,eof
# Any flag beside these says that the content is not as it is in blocks of the device: inline, encoded, unknown_loc, …
function extent(line,    column, columns, logical, physical, flag, flags, i, unwritten) {
  columns = split(line, column, ":")
  split(column[2], logical, "[ .]+")
  split(column[3], physical, "[ .]+")
  flags = column[columns]
  gsub(" ", "", flags)
  split(flags, flag, ",")
  for (i in flag) {
    if (flag[i] == "unwritten") unwritten = 1
    else if (flag[i] !~ /^(last|eof|merged|shared)?$/) in_blocks = 0
  }
  if (unwritten) return
  gsub(" ", "", column[4])
  extent_of[++count] = physical[2] " " column[4] " " logical[2]
}

function in_swap(name, size,    taken) {
  taken = int((size + 511) / 512)
  top -= taken
  print "E swap " top " " taken " 0"
  filler = taken * 512 - size
  if (filler > 0 && !(filler in made)) {
    made[filler] = 1
    printf "%" filler "s", "" > (into "/filler-" filler)
    close(into "/filler-" filler)
  }
  swapped[++swaps] = "./" name (filler > 0 ? "\n" into "/filler-" filler : "")
}

stopped { next }
{
  split($2, of, " ")
  type = of[1]
  if (type == "d") print "D " of[2] " " $1
  else if (type == "l") print "S " $1 "\nT " $3
  else if (type != "f") print "X " type " " $1
  else if (of[4] in earlier) print "H " $1 "\nT " earlier[of[4]]
  else {
    if (of[5] > 1) earlier[of[4]] = $1
    print "F " of[2] " " of[3] " " $1
    if (of[3] != 0 && content == "swap") in_swap($1, of[3])
    else if (of[3] != 0) extents($1, of[3])
  }
}

END {
  if (stopped) exit 1
  for (i = swaps; i > 0; i--) print swapped[i] > (into "/content")
  print top > (into "/content-start")
}
