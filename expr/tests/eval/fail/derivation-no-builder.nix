(derivation { name = "a"; system = "s"; }).drvPath
