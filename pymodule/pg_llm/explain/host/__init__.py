"""Attribution where the models are: exact linear contributions and integrated gradients."""
