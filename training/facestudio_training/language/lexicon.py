"""Words that name an attribute without saying it: "a pirate" has a beard, somebody "grizzled" gray hair.

Everyday words, trades and looks, written by hand with the headdresses, spectacles, beards and neckwear of WordNet 3.1 to look
at; none of them is a people or a name. They only have to be what most would picture: a cowboy may take his hat off.
"""

from __future__ import annotations

import random
from functools import cache

# Attributes -> wordings. "N " marks nouns, "H " what follows "with", "V " what stands alone.
LEXICON = {
    ("smiling",): (
        "V beaming", "V chuckling", "V amused", "V in a good mood", "V merry", "V glad", "V showing teeth", "V radiant", "V pleased", "V overjoyed",
        "V very happy", "V full of joy", "V giggling", "V grinning", "V joyful", "V jolly", "V delighted", "V elated", "V thrilled", "V jubilant",
        "V in high spirits", "V laughing out loud", "V bursting with laughter", "V having fun", "V friendly", "V good-humoured", "V tickled",
        "V smirking", "V ecstatic", "V blissful", "V gleeful", "V enjoying a joke", "V celebrating", "V welcoming", "V sunny", "V lighthearted",
        "V in stitches", "V all smiles", "V excited", "V content", "H a bright smile", "H a warm smile", "H a grin", "H a broad grin",
        "H a toothy smile", "H a cheeky smile", "H dimples and a smile", "H a happy face", "H a friendly face", "H laughter", "H joy in the face",
        "H a beaming face", "N comedian", "N winner", "N entertainer", "N clown", "N birthday guest", "N lottery winner", "N newlywed", "N optimist"),
    ("-smiling",): (
        "V stern", "V sad", "V gloomy", "V angry", "V thoughtful", "V without a smile", "V grim", "V worried", "V frowning", "V not smiling",
        "V in a bad mood", "V bored", "V tired", "V serious", "V solemn", "V unhappy", "V sullen", "V grumpy", "V furious", "V mournful", "V melancholy",
        "V depressed", "V annoyed", "V scowling", "V glaring", "V sulking", "V pouting", "V grave", "V unsmiling", "V deadpan", "V poker-faced",
        "V stone-faced", "V heartbroken", "V weeping", "V upset", "V anxious", "V exhausted", "V severe", "V strict", "V pensive", "V disappointed",
        "V expressionless", "V neutral", "V calm and earnest", "H a straight face", "H a neutral expression", "H a frown", "H a scowl", "H a long face",
        "H tight lips", "H a serious look", "H a blank stare", "H a passport photo face", "N mourner", "N loser", "N pessimist", "N grump"),
    ("eyeglasses",): (
        "V bespectacled", "V short-sighted", "V nearsighted", "V farsighted", "V peering over the rims", "V in specs", "V wearing shades",
        "V wearing lenses in a frame", "H sunglasses", "H goggles", "H round glasses", "H thick frames", "H horn-rimmed glasses", "H bifocals",
        "H a monocle", "H specs", "H eyewear", "H shades", "H dark glasses", "H reading glasses", "H wire-rimmed glasses", "H rimless glasses",
        "H thick lenses", "H a pince-nez", "H cat-eye frames", "H aviators", "H tortoiseshell frames", "H nerdy glasses", "H safety glasses",
        "H tinted lenses", "H prescription glasses", "H designer frames", "H glasses on the nose", "N scientist", "N programmer", "N scholar",
        "N optician", "N bookworm", "N accountant", "N professor", "N librarian", "N nerd", "N geek", "N engineer", "N intellectual", "N academic",
        "N watchmaker", "N chemist", "N mathematician", "N editor", "N welder"),
    ("-eyeglasses",): ("V without glasses", "H no glasses", "V without eyeglasses", "V without spectacles", "H bare eyes", "V with the glasses off"),
    ("a beard",): (
        "V scruffy", "V unshorn", "V unshaven", "V stubbly", "V whiskered", "V bewhiskered", "V in need of a shave", "V rugged and hairy",
        "H a bushy beard", "H a long beard", "H sideburns", "H a five o'clock shadow", "H a hairy chin", "H stubble", "H whiskers", "H designer stubble",
        "H a thick beard", "H a trimmed beard", "H a short beard", "H a beard and mustache", "H mutton chops", "H a hairy face", "H a shaggy beard",
        "H a scraggly beard", "H a beard down to the chest", "H bristles", "H days of growth on the chin", "N woodsman", "N fisherman", "N biker",
        "N hermit", "N mountain man", "N explorer", "N lumberjack", "N viking", "N caveman", "N blacksmith", "N philosopher", "N prophet", "N castaway",
        "N trapper", "N hipster", "N brewer", "N sailor"),
    ("-a beard", "-a goatee", "-a mustache"): (
        "V clean-shaven", "V freshly shaved", "H a smooth chin", "V without a beard", "H no beard", "V beardless", "H a shaved chin", "V without stubble",
        "H smooth cheeks", "V baby-faced"),
    ("a mustache",): (
        "V mustachioed", "V moustached", "V with hair on the upper lip", "H a handlebar mustache", "H a thin mustache", "H a walrus mustache",
        "H a pencil mustache", "H a thick moustache", "H a toothbrush moustache", "H a bushy moustache", "H whiskers under the nose", "H a twirled moustache",
        "H a curled mustache", "N ringmaster", "N barber", "N old-time detective", "N colonel", "N strongman", "N matador"),
    ("a goatee",): (
        "H a pointed beard", "H a chin beard", "H a tuft on the chin", "H a soul patch", "H a van dyke beard", "H a chin puff", "H a circle beard",
        "H a small beard on the chin", "H a goat beard", "V goateed", "N musketeer", "N magician", "N villain", "N jazz musician"),
    ("a hat",): (
        "V wearing a turban", "V wearing a sun hat", "V wearing a beret", "V in uniform with a cap", "V in a baseball cap", "V in a helmet", "V hatted",
        "V in a beanie", "V wearing a hood", "V in a hoodie with the hood up", "V wearing a crown", "V with the head covered", "V dressed for the snow",
        "V ready for a bike ride in a helmet", "V wearing headgear", "H a bowler", "H a fedora", "H headgear", "H a bonnet", "H a hood", "H a headscarf",
        "H a crown", "H a helmet", "H a beanie", "H a baseball cap", "H a top hat", "H a cowboy hat", "H a straw hat", "H a stetson", "H a sombrero",
        "H a woolly hat", "H a bobble hat", "H a knitted cap", "H a ski cap", "H a bucket hat", "H a flat cap", "H a peaked cap", "H a panama", "H a trilby",
        "H a boater", "H a tricorn", "H a toque", "H a chef's hat", "H a fez", "H a hard hat", "H a crash helmet", "H a pith helmet", "H a nightcap",
        "H a mortarboard", "H a tiara", "H a bandana on the head", "H a kerchief", "H a veil", "H a deerstalker", "H a fur hat", "H a wide brim",
        "H a visor", "H a swim cap", "H a shower cap", "H a party hat", "H a wizard hat", "H a headdress", "H earmuffs and a cap", "H a head covering",
        "N sheriff", "N policeman", "N pilot", "N construction worker", "N firefighter", "N jockey", "N sea captain", "N witch", "N gardener", "N farmer",
        "N golfer", "N cook", "N guard", "N skier", "N cowboy", "N soldier", "N knight", "N chef", "N baker", "N baseball player", "N motorcyclist",
        "N cyclist", "N miner", "N astronaut", "N admiral", "N general", "N train conductor", "N bellboy", "N graduate", "N jester", "N scarecrow",
        "N rancher", "N snowboarder", "N mountaineer", "N racing driver", "N builder", "N mounted policeman", "N traffic warden", "N beekeeper",
        "N explorer in the jungle"),
    ("-a hat",): ("V bareheaded", "V without a hat", "H no hat", "V hatless", "H a bare head", "V with the head uncovered"),
    ("a beard", "a hat"): ("N pirate", "N pilgrim", "N gnome", "N captain of a ship"),
    ("a beard", "a hat", "gray"): ("N santa claus", "N father christmas"),
    ("a beard", "gray"): ("N wizard", "N old fisherman", "N guru"),
    ("a necktie",): (
        "V in business attire", "V in a tuxedo", "V in a blazer", "V in office clothes", "V elegantly dressed for work", "V in a dinner jacket",
        "V in a business suit", "V in formal wear", "V in formal clothes", "V dressed for a job interview", "V in a three-piece suit", "V suited up",
        "V in a dress shirt", "V in a pinstripe suit", "V in white tie", "V smartly dressed", "V dressed up for the office", "V in a shirt and jacket",
        "H a collar and tie", "H a bow tie", "H a tie", "H a silk tie", "H a striped tie", "H a knotted tie", "H a cravat", "H a waistcoat and tie",
        "N banker", "N lawyer", "N politician", "N president", "N clerk", "N office worker", "N executive", "N waiter", "N usher", "N manager", "N salesman",
        "N news anchor", "N diplomat", "N chief executive", "N butler", "N businessman", "N stockbroker", "N groom", "N best man", "N senator", "N minister",
        "N attorney", "N judge", "N spokesman", "N newsreader", "N consultant", "N director", "N chairman", "N bodyguard", "N secret agent", "N estate agent",
        "N hotel manager", "N mayor", "N ambassador", "N insurance agent", "N headmaster", "N prime minister"),
    ("earrings",): (
        "V wearing pearls", "V with pierced ears", "V bejewelled", "V in fine jewels", "V glittering with jewellery", "V wearing gold on the ears",
        "V dressed for the ball", "V in evening jewels", "H jewellery", "H hoops", "H ear studs", "H dangling gems", "H diamonds", "H jewels",
        "H hoop earrings", "H pearl drops", "H ear rings", "H studs in the ears", "H sparkling ears", "H pendants on the ears", "H gems", "H rings in the ears",
        "H ear piercings", "H gold hoops", "H chandelier earrings", "H dangly earrings", "H diamond studs", "H bling", "N bride", "N ballerina",
        "N fashion model", "N duchess", "N princess", "N opera diva", "N countess", "N fortune teller", "N flamenco dancer", "N pop star", "N socialite",
        "N belly dancer", "N jewellery model"),
    ("bangs",): (
        "H a pageboy cut", "H hair in the eyes", "H a bob", "H hair over the brows", "H a mop top", "H a fringe of hair", "H a fringe over the forehead",
        "H hair over the forehead", "H hair covering the forehead", "H a straight-cut fringe", "H side-swept hair over the forehead", "H a bowl cut",
        "H curtain hair", "H an emo haircut", "H a forelock", "V peeking out from under the hair", "V fringed", "N schoolchild", "N doll"),
    ("a bald head",): (
        "V hairless", "V balding", "V without hair", "V bald as an egg", "V shaven-headed", "V with hair lost", "V gone bald", "V bald-headed", "V with no hair left",
        "V going bald", "H a shaved head", "H a receding hairline", "H a shiny head", "H a bare scalp", "H a smooth scalp", "H a clean-shaven head",
        "H a hairless scalp", "H a bald patch", "H a head like a billiard ball", "H a polished head", "H a chrome dome", "H thinning hair", "N monk",
        "N wrestler", "N skinhead", "N bouncer", "N baldy", "N kickboxer"),
    ("black",): (
        "V dark-haired", "V black-haired", "V raven-haired", "H coal-black hair", "H ink-black hair", "H very dark hair",
        "H hair as black as night", "H raven hair", "H ebony hair", "H jet hair", "H hair like soot", "H black locks", "H a black mane", "H dark locks",
        "H midnight hair", "H pitch-black hair", "H ebony locks", "H hair dyed black", "N goth"),
    ("brown",): (
        "V brown-haired", "V brunet", "V chestnut-haired", "H auburn hair", "H hazel hair", "H coffee-brown hair", "H walnut hair", "H chocolate hair",
        "H mahogany hair", "H caramel hair", "H hair the colour of chestnuts", "H cinnamon hair", "H mousy hair", "H hair like cocoa", "H brown locks",
        "H tawny hair", "H medium brown hair", "H bronze hair", "H hair the colour of wood", "N brunette"),
    ("blond",): (
        "V blond-haired", "V fair-haired", "V light-haired", "V golden-haired", "V flaxen-haired", "V towheaded", "V bleached", "H flaxen hair",
        "H platinum hair", "H honey-coloured hair", "H bleached hair", "H golden locks", "H straw-coloured hair", "H sandy hair", "H sun-bleached hair",
        "H wheat-coloured hair", "H pale hair", "H light hair", "H hair like gold", "H peroxide hair", "H strawberry blonde hair", "H yellow locks",
        "H honey-blonde highlights", "N blonde", "N surfer", "N towhead"),
    ("gray",): (
        "V gray-haired", "V silver-haired", "V grizzled", "V white-haired", "V hoary", "V graying", "V gone gray", "V gone white with age",
        "H salt-and-pepper hair", "H ashen hair", "H snow-white hair", "H a silver mane", "H frosted temples", "H white locks", "H hair like snow",
        "H graying temples", "H steel-gray hair", "H hair turned white", "H silvery hair", "H a gray mane", "H ash-coloured hair", "N old sage", "N elder",
        "N silver fox", "N pensioner", "N ninety-year-old", "N retiree", "N old-timer"),
    ("wavy",): (
        "V curly-headed", "V curly-haired", "V frizzy-haired", "V with tousled curls", "V permed", "H curls", "H ringlets", "H frizzy hair", "H an afro",
        "H a perm", "H corkscrew curls", "H tight curls", "H wavy locks", "H beach waves", "H a curly mop", "H big curly hair", "H hair in waves", "H bouncy curls", "H locks that curl", "H spirals of hair"),
    ("straight",): (
        "V straight-haired", "H sleek hair", "H smooth straight hair", "H flat hair", "H poker-straight hair", "H ironed hair", "H straightened hair",
        "H hair that hangs straight", "H lank hair", "H pin-straight hair"),
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


def names(told: str) -> list[str]:
    """The attributes with wordings of their own in one that captions tell: "wavy black hair" is wavy and black."""
    parts = [f"{w} hair" for w in told.split()[:-1]] if told.endswith(" hair") else [told]
    return [p for p in parts if p in wordings()]


def wording(name: str, draw: random.Random) -> tuple[str, list[str]] | None:
    """Something that names the attribute, with its mark, and all that it names."""
    known = names(name)
    return draw.choice(wordings()[draw.choice(known)]) if known else None
