"""DICOM by the network: films come in by C-STORE, results go out by C-STORE."""
