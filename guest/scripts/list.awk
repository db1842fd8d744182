# The list of ../PROTOCOL.md, from the entries; standard input: what filefrag says of the files of files.awk, in their
# order. Its lines are told apart by their beginning, which no name can forge: each name stands behind "./".
BEGIN { FS = "\001" }

function stop(why) {
  print "slipway: " why > "/dev/stderr"
  stopped = 1
  exit 1
}

# Reads the lines of one file, up to the one that ends them.
function extents(name,    line, header, found) {
  header = "File size of ./" name " is "
  while ((getline line < "/dev/stdin") > 0) {
    if (index(line, "File size of ") == 1) {
      if (index(line, header) != 1) stop("filefrag speaks of another file than " name)
      found = 1
    } else if (index(line, "./") == 1) {
      if (!found) stop("filefrag says nothing of " name)
      return
    } else if (line ~ /^ *[0-9]+: /) extent(line, name)
  }
  stop("filefrag ended before " name)
}

#  ext:     logical_offset:        physical_offset: length:   expected: flags:
#    0:        0..      15:      34816..     34831:     16:             last,eof
function extent(line, name,    column, columns, logical, physical, flag, flags, i) {
  columns = split(line, column, ":")
  split(column[2], logical, "[ .]+")
  split(column[3], physical, "[ .]+")
  flags = column[columns]
  gsub(" ", "", flags)
  split(flags, flag, ",")
  for (i in flag) {
    if (flag[i] == "unwritten") return
    if (flag[i] !~ /^(last|eof|merged|shared)?$/) stop("content of " name " is not in blocks: " flags)
  }
  gsub(" ", "", column[4])
  print "E disk " physical[2] " " column[4] " " logical[2]
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
    if (of[3] != 0) extents($1)
  }
}
