"""The attribution engines: each proposes what a system's score rests on; none of them verifies anything."""
