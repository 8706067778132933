"""Names by their role in the worlds: each is one token, and each stands in one list only.

Training begins with the first FEW of each list.
"""

from __future__ import annotations

FEW = {"things": 40, "containers": 24, "rooms": 30, "people": 30}


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


THINGS = _names(
    """
    key ring letter coin apple ball book lamp watch knife pen cup map hat glove stone rope candle flute
    mirror brush hammer needle button feather shell compass whistle doll drum spoon plate scarf camera
    ticket medal bottle football milk sandwich laptop phone charger tablet keyboard mouse cable battery
    remote radio television speaker headphones microphone printer scanner router monitor disk drive
    console joystick calculator clock alarm telescope microscope binoculars lens tripod flashlight lantern
    torch bulb plug adapter antenna passport visa wallpaper document contract invoice receipt report
    folder file notebook diary journal magazine newspaper novel dictionary atlas poster painting photo
    picture portrait sketch drawing stamp postcard card cards badge license certificate diploma manual
    recipe menu calendar list note memo form bill cheque pencil crayon marker eraser ruler stapler tape
    glue scissors clip pin chalk ink quill paper sponge paint easel canvas shirt jacket coat sweater
    jumper dress skirt trousers jeans shorts sock socks shoe shoes boot boots sandal slipper slippers belt
    tie cap helmet crown mask veil cape robe apron vest uniform gloves mittens sunglasses glasses umbrella
    necklace bracelet earring brooch pendant jewel diamond ruby emerald pearl gem gold silver bronze
    crystal amulet fork pan kettle teapot mug glass bowl dish tray jug ladle whisk grater peeler corkscrew
    opener blender toaster mixer oven microwave stove grill spatula sieve funnel napkin towel tablecloth
    straw lid banana orange lemon pear peach plum grape cherry strawberry melon mango coconut pineapple
    tomato potato carrot onion garlic pepper lettuce cabbage mushroom pumpkin corn bean rice bread cookie
    biscuit pie muffin donut pancake waffle cheese butter egg yoghurt cream honey jam sugar salt flour oil
    vinegar sauce soup salad pizza pasta burger sausage bacon ham steak chicken fish salmon tuna shrimp
    chocolate candy lollipop coffee juice water wine beer lemonade soda cereal nut almond olive spice
    screwdriver wrench pliers saw drill axe shovel spade rake hoe nail screw bolt chain wire hook ladder
    wheel tire pump jack anvil chisel plane level crowbar toolkit wheelbarrow broom mop vacuum iron hose
    sprinkler seed soil fertilizer flower rose tulip plant vase fern cactus bicycle scooter skateboard
    skates sled skis snowboard surfboard paddle kayak canoe racket bat puck dart frisbee kite balloon yoyo
    puzzle dice domino chess toy robot teddy puppet marble slingshot rattle dollhouse rocket guitar piano
    violin trumpet harp cello banjo accordion clarinet saxophone tambourine ukulele harmonica metronome
    soap shampoo toothbrush toothpaste comb razor perfume lotion lipstick tissue bandage thermometer
    medicine pill syrup vitamin syringe stethoscope crutch wheelchair pillow blanket sheet mattress quilt
    cushion rug carpet curtain chair stool bench table couch sofa armchair bookcase statue globe trophy
    vinyl cassette sword shield bow arrow spear dagger armor potion scroll wand broomstick cauldron
    treasure idol skull bone fossil tooth claw cat puppy kitten rabbit hamster parrot turtle goldfish frog
    snake lizard horse goat sheep duck goose hen spider butterfly anchor sail oar buoy net harpoon
    telegram parachute tent sleepingbag stroller leash collar saddle bell horn flag sign lock padlock
    handcuffs magnet prism hourglass sundial
    """
)

CONTAINERS = _names(
    """
    box bag drawer basket chest suitcase cupboard jar bucket crate trunk wallet purse backpack envelope
    barrel cabinet case pouch sack tin locker safe parcel briefcase handbag rucksack satchel toolbox
    lunchbox shoebox mailbox cooler fridge freezer wardrobe closet dresser desk shelf bookshelf bin
    dustbin hamper carton package bundle tub basin pot urn casket coffin cage kennel holster pocket binder
    tank vat canister flask thermos crib cradle glovebox piggybank duffel tote hatbox jewelbox sideboard
    nightstand
    """
)

ROOMS = _names(
    """
    cellar attic kitchen garden bedroom bathroom hallway office garage library studio balcony pantry
    nursery lounge barn shed workshop stable tower chapel school park basement cabin corridor gallery
    vault lobby museum ballroom boardroom classroom courtroom darkroom playroom washroom restroom
    storeroom showroom ballpark courtyard backyard driveway porch patio terrace veranda deck rooftop loft
    den parlour salon sauna gym pool spa laundry mudroom foyer entrance reception hall auditorium theatre
    cinema stage backstage dormitory canteen cafeteria restaurant cafe bar pub bakery butcher market
    supermarket store mall pharmacy clinic hospital surgery ward laboratory observatory planetarium
    greenhouse conservatory orchard vineyard farm meadow field forest woods jungle desert beach harbour
    port pier dock lighthouse island lake river bridge tunnel cave mine quarry mountain valley village
    town city station airport hangar terminal platform subway bus tram taxi car van truck boat ship
    submarine caravan church temple mosque cathedral monastery cemetery crypt castle palace dungeon
    fortress barracks armoury prison cell courthouse embassy ministry parliament university college campus
    kindergarten playground stadium arena court rink zoo aquarium circus casino hotel hostel motel inn
    warehouse depot factory mill smithy foundry bank studyroom archive bunker elevator staircase landing
    alcove crawlspace igloo cottage villa mansion apartment flat penthouse bungalow hut lodge treehouse
    gazebo pavilion fountain square street avenue plaza alley junkyard sawmill brewery winery dairy
    """
)

PEOPLE = _names(
    """
    mary john sandra daniel anna peter lucy tom emma paul julia mark sarah david laura james nina oscar
    clara henry alice victor rosa simon irene felix grace bruno helen martin michael robert william
    richard joseph thomas charles christopher matthew anthony steven andrew joshua kenneth kevin brian
    george timothy ronald edward jason jeffrey ryan jacob gary nicholas eric jonathan stephen larry justin
    scott brandon benjamin samuel gregory alexander patrick dennis jerry tyler aaron jose adam nathan
    zachary walter kyle harold carl jeremy keith roger arthur terry sean austin noah lawrence jesse joe
    bryan billy jordan albert dylan willie gabriel alan juan logan wayne ralph roy eugene randy vincent
    russell louis philip bobby johnny bradley patricia jennifer linda elizabeth barbara susan jessica
    karen lisa nancy betty margaret ashley kimberly emily donna michelle carol amanda melissa deborah
    stephanie rebecca sharon cynthia kathleen amy angela shirley brenda pamela nicole samantha katherine
    christine rachel carolyn janet catherine maria heather diane ruth julie olivia joyce virginia victoria
    kelly lauren christina joan evelyn judith megan andrea cheryl hannah jacqueline martha gloria teresa
    ann sara madison frances kathryn janice jean abigail sophia judy denise amber marilyn danielle beverly
    isabella theresa diana natalie brittany charlotte marie kayla alexis lori ahmed mohammed ali omar
    hassan ibrahim yusuf fatima aisha zainab layla amir karim leila samir nadia yasmin tariq farah salma
    priya arjun rahul ananya rohan sanjay anita vikram deepa meera ravi sunita amit pooja kiran lakshmi
    wei ming li chen yuki hiroshi akira sakura kenji haruto yuto mei jin hana min jun seo kwame amara
    chidi zuri kofi ngozi amina tunde femi abena diego carlos miguel sofia lucia javier pablo elena carmen
    luis rafael isabel mateo valentina camila santiago andres fernando ana joao pedro beatriz thiago hans
    greta klaus ingrid sven astrid lars freya bjorn olaf erik nils anders jonas lukas franz heidi otto
    karl ursula stefan petra dmitri olga ivan natasha boris svetlana sergei tatiana mikhail anastasia
    katya pavel jan piotr zofia marek agnieszka jakub giulia marco luca chiara matteo francesca giovanni
    lorenzo pierre amelie jacques chloe antoine camille etienne colette margot louise hugo leon theo arlo
    finn liam mia ava zoe ella leo max ben sam kate jane eva ida maja noor bob dave eve frank ivy mallory
    trent trudy wendy zack sophie ellie molly daisy poppy holly jade lily stella bella luna nora hazel
    violet iris flora dora edith mabel agnes esther miriam naomi leah abel caleb elijah isaac levi moses
    gideon silas ezra
    """
)


def known(role: str, *, few: bool) -> tuple[str, ...]:
    """The names of a role, "things", "containers", "rooms" or "people"; with `few` the first of them."""
    found = {"things": THINGS, "containers": CONTAINERS, "rooms": ROOMS, "people": PEOPLE}[role]
    return found[: FEW[role]] if few else found
