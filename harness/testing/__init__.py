"""Fakes, literal histories and planted defects. Public: users test their own adapters and judges with them."""
