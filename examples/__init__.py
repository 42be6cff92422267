"""The main job, driven over HTTP as any client would."""
