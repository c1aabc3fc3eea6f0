[
  ''a''
  ''
    first
      second
    third''
  ''
      more
    less
  ''
  ''${"x"}
    y''
  ''
    ${"a"}
      ${"b"}
  ''
  ''

    after an empty line

    end
  ''
	''
	  tabs are not indentation
	''
  ''  one line  ''
  ''''
]
