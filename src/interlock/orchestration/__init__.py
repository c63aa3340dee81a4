"""Durable tasks: accepting them, replaying them against their journal, reviews, and the engines that run them."""
