./foo//bar
