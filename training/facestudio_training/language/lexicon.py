"""Words that name an attribute without saying it: "a pirate" has a beard, somebody "grizzled" gray hair.

Everyday words, trades and looks, written by hand; none of them is a people, a faith or a name.
"""

from __future__ import annotations

import random
from functools import cache

# Attributes -> wordings. "N " marks nouns, "H " what follows "with", "V " what stands alone.
LEXICON = {
    ("smiling",): ("V beaming", "H a bright smile", "V chuckling", "V amused", "V in a good mood", "V merry", "V glad", "H a warm smile",
                   "V showing teeth", "V radiant", "V pleased", "V overjoyed", "V very happy", "V full of joy", "V giggling",
                   "N comedian", "N winner", "N entertainer"),
    ("-smiling",): ("V stern", "V sad", "V gloomy", "V angry", "V thoughtful", "H a straight face", "V without a smile", "V grim",
                    "V worried", "V frowning", "V not smiling", "V in a bad mood", "V bored", "V tired", "N mourner", "N loser"),
    ("eyeglasses",): ("V bespectacled", "H sunglasses", "H goggles", "H round glasses", "H thick frames", "H horn-rimmed glasses",
                      "H bifocals", "H a monocle", "N scientist", "N programmer", "N scholar", "N optician", "N bookworm", "N accountant"),
    ("-eyeglasses",): ("V without glasses", "H no glasses", "V without eyeglasses"),
    ("a beard",): ("H a bushy beard", "H a long beard", "H sideburns", "V scruffy", "H a five o'clock shadow", "H a hairy chin", "V unshorn",
                   "N woodsman", "N fisherman", "N biker", "N hermit", "N mountain man", "N explorer"),
    ("-a beard", "-a goatee", "-a mustache"): ("V clean-shaven", "V freshly shaved", "H a smooth chin", "V without a beard", "H no beard"),
    ("a mustache",): ("H a handlebar mustache", "V mustachioed", "H a thin mustache", "N ringmaster", "N barber"),
    ("a goatee",): ("H a pointed beard", "H a chin beard", "H a tuft on the chin", "N musketeer", "N magician"),
    ("a hat",): ("H a bowler", "H a fedora", "H headgear", "H a bonnet", "V wearing a turban", "H a hood", "H a headscarf", "H a crown",
                 "V wearing a sun hat", "V wearing a beret", "V in uniform with a cap", "N sheriff", "N policeman", "N pilot",
                 "N construction worker", "N firefighter", "N jockey", "N sea captain", "N witch", "N gardener", "N farmer", "N golfer",
                 "N cook", "N guard", "N skier"),
    ("-a hat",): ("V bareheaded", "V without a hat", "H no hat"),
    ("a beard", "a hat"): ("N pirate", "N pilgrim", "N gnome"),
    ("a beard", "a hat", "gray"): ("N santa claus",),
    ("a necktie",): ("V in business attire", "H a collar and tie", "V in a tuxedo", "H a bow tie", "V in a blazer", "V in office clothes",
                     "V elegantly dressed for work", "N banker", "N lawyer", "N politician", "N president", "N clerk", "N office worker", "N executive", "N waiter", "N usher", "N manager", "N salesman",
                     "N news anchor", "N diplomat", "N chief executive", "N butler"),
    ("earrings",): ("H jewellery", "V wearing pearls", "H hoops", "H ear studs", "H dangling gems", "H diamonds", "V with pierced ears",
                    "N bride", "N ballerina", "N fashion model", "N duchess"),
    ("bangs",): ("H a pageboy cut", "H hair in the eyes", "H a bob", "H hair over the brows", "H a mop top", "N schoolchild"),
    ("a bald head",): ("V hairless", "H a shaved head", "H a receding hairline", "H a shiny head", "V balding", "H a bare scalp",
                       "H a smooth scalp", "V without hair", "N monk", "N wrestler"),
    ("black",): ("H coal-black hair", "H ink-black hair", "H very dark hair", "V dark-haired", "V black-haired", "H hair as black as night"),
    ("brown",): ("V brown-haired", "H auburn hair", "H hazel hair", "H coffee-brown hair", "H walnut hair", "N brunette"),
    ("blond",): ("V blond-haired", "V fair-haired", "H flaxen hair", "H platinum hair", "H honey-coloured hair", "V light-haired",
                 "V golden-haired", "H bleached hair", "N blonde", "N surfer"),
    ("gray",): ("V gray-haired", "V silver-haired", "V grizzled", "H salt-and-pepper hair", "H ashen hair", "H snow-white hair",
                "N old sage", "N elder"),
    ("wavy",): ("H curls", "H ringlets", "H frizzy hair", "H an afro", "H a perm", "V curly-headed"),
    ("straight",): ("H sleek hair", "H smooth straight hair", "H flat hair"),
}
HAIR = ("black", "brown", "blond", "gray", "wavy", "straight")


def attribute(name: str) -> str:
    """As captions have it: colours and shapes are of hair."""
    bare = name.removeprefix("-")
    return f"{name} hair" if bare in HAIR else name


@cache
def wordings() -> dict[str, list[tuple[str, list[str]]]]:
    """Attribute -> wordings with their marks, each with all that it names."""
    out: dict[str, list] = {}
    for names, phrases in LEXICON.items():
        for name in names:
            out.setdefault(attribute(name), []).extend((p, [attribute(n) for n in names]) for p in phrases)
    return out


def wording(name: str, draw: random.Random) -> tuple[str, list[str]] | None:
    """Something that names the attribute, with its mark, and all that it names."""
    if name.endswith(" hair"):
        name = f"{draw.choice(name.split()[:-1])} hair"
    known = wordings().get(name)
    return draw.choice(known) if known else None
