"""Finance reports: cells of company and period, filled by calls that each fill many."""
