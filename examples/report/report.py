"""A report on a year's sales: report.py SALES.CSV"""

import sys

import numpy as np
import pandas as pd


def table(frame):
    return frame.to_string(float_format="{:,.2f}".format)


def main(path):
    sales = pd.read_csv(path, parse_dates=["date"])
    sales["revenue"] = sales["quantity"] * sales["price"]

    print(f"Sales report: {len(sales)} sales, {sales['date'].min():%Y-%m-%d} to {sales['date'].max():%Y-%m-%d}")
    print(f"Revenue: {sales['revenue'].sum():,.2f}")

    by_region = sales.pivot_table(
        values="revenue", index="region", columns="product", aggfunc="sum", fill_value=0, margins=True
    )
    print("\nRevenue by region and product")
    print(table(by_region))

    quarters = sales.groupby(sales["date"].dt.to_period("Q"))["revenue"].agg(["sum", "mean", "count"])
    quarters["growth %"] = quarters["sum"].pct_change() * 100
    print("\nBy quarter")
    print(table(quarters))

    monthly = sales.groupby(sales["date"].dt.month)["revenue"].sum()
    slope, _ = np.polyfit(monthly.index.to_numpy(), monthly.to_numpy(), 1)
    best = sales.groupby("product")["quantity"].sum().idxmax()
    print(f"\nTrend: {slope:+,.2f} a month. Most sold: {best}.")


if __name__ == "__main__":
    main(*sys.argv[1:])
