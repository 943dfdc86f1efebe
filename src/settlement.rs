//! Pure: who may be believed about what.
