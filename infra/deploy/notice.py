"""What a person is told before a yes: what a deployment costs, and what it will not be able to do."""

from rich.console import Console

from . import costs, images, quotas, states, terminal
from .account import Account
from .planning import Plan
from .prices import Prices


def show_costs(account: Account, plan: Plan, console: Console) -> None:
    """Prints what the stage costs: idle, and while it trains."""
    prices, template = Prices(account.clients, plan.stage.region), plan.template
    with console.status("asking for prices"):
        items = costs.idle_month(template, prices, _images_bytes(account, plan.before))
        hours = costs.training_hours(template, plan.parameters, prices)
        stored, build = costs.stored(prices), costs.image_build(template, prices)
    table = f"list prices of {prices.table_region}, {prices.table_date}"
    current = all(each.price.is_current for each in items)
    console.print(terminal.idle_table(items, "prices of today" if current else f"partly {table}"))
    console.print(terminal.hours_table(hours))
    if not all(each.is_current for each in hours):
        console.print(f"On demand: {table}.", highlight=False)
    console.print(
        f"Beside that, a month: {', '.join(f'{each.usd:.3g} USD per {each.what}' for each in stored)}."
        + (f" An image build: about {build.usd:.2f} USD." if build else ""),
        highlight=False,
    )


def _images_bytes(account: Account, before: states.Stack | None) -> int:
    """Of the images that there are; they stay when new ones come, up to the ten of the repositories' rule."""
    total = 0
    for name in images.repositories(before):
        pages = account.clients("ecr").get_paginator("describe_images").paginate(repositoryName=name)
        total += sum(each.get("imageSizeInBytes", 0) for page in pages for each in page["imageDetails"])
    return total


def warn_of_quotas(account: Account, plan: Plan, console: Console) -> None:
    """Prints what to ask for where GPU quotas are 0: the stage can be made, but can't train."""
    vcpus = quotas.wanted(plan.template, plan.parameters)
    for quota in quotas.read(account.clients("service-quotas"), vcpus):
        if quota.vcpus == 0 and not quota.asked_for:
            text = f"No training {quota.where} can start: the quota {quota.name!r} is 0."
            terminal.say(console, text, "[yellow]![/]")
            terminal.show_next(console, quota.command(plan.stage))
