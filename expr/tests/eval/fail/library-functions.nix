# The functions of a host are its library's alone.
import <library> // { x = host; }
