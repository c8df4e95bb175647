"""Marks this folder as a package, so that tests find it.

The test plugin has a package of this name, which would win over a folder
without this file. An installed integration has no need of it.
"""
