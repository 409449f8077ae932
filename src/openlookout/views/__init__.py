"""What people look at: rows and objects, read and reduced for a picture. Changes nothing."""
