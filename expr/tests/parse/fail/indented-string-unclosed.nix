{
  a = ''one;
  b = 2;
}
