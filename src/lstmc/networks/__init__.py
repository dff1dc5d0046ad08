"""Networks: layers with a head behind one face, one architecture a file."""
