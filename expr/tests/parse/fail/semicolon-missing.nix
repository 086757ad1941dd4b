{
  a = f x
  b = 2;
}
