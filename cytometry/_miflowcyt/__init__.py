"""What fills the items of MIFlowCyt."""
