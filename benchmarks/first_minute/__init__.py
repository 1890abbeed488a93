"""Compare answers after half a minute, a minute and more: plain baselines and `xautolm fit`, on one core."""
