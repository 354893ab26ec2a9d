"""The data as people and scripts read them: tables page by page, and a stock's bars day by day."""
