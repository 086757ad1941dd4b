//! Evaluation: implements the host of the language, gives owned derivations back.
