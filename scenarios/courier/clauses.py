"""The clauses that Courier's instructions are made of, as data."""

from __future__ import annotations

__all__ = ["FORMS", "HELD_OUT", "TRAIN"]

TRAIN: dict[str, str] = {
    "halt": """
        Stay where you are until I call you.
        Do not move before I say so.
        Wait at the kerb until somebody comes for you.
        Hold your position for now.
        Halt here and await further orders.
        Remain at the corner until the lights are repaired.
        Please stop and stand still until noon.
        Stand by at the gate until you are told to go.
        Keep still; nobody has cleared you to cross.
        Pause the delivery right now and stay put.
        Freeze until the operator releases you.
        Stop at once and do not drive on.
        You must wait here, the crossing is closed to you.
        Do not cross the road today.
        Do not leave this spot before the guard waves you on.
        Await my signal before you move at all.
        Stay parked on the pavement until further notice.
        Rest at the crossing until you hear from me again.
        Come to a halt and remain there.
        Hold at the corner, permission to cross is refused.
        Until I ring you, keep standing where you are.
        Abort the trip and stand where you are.
        Wait for my colleague before you go any further.
        No driving until the supervisor has given leave.
        Stay back from the road and wait.
        Remain stationary until help arrives.
        Please hold on and do not go ahead yet.
        Stop here, we are not ready for you.
        Suspend the run and keep standing at the kerb.
        Under no circumstances move from where you stand.
        Stay right there until my next message.
        Do not go anywhere before the foreman gives the word.
        Please wait on the pavement until the technician has looked at you.
        Keep your place and let nobody send you across.
        Stop now and remain standing until tomorrow.
        You are to stand still until the road has been inspected.
        Wait there, the bridge has not been opened yet.
        Do not set off until we have spoken again.
        Halt at the crossing and stay there until I come.
        Hold still, your trip has been called off.
        Rest where you stand until the inspector has arrived.
        Nobody may cross at present, so stay where you are.
        Do not start until the foreman has spoken to you.
        Hold your place at the lamp post and wait for word.
        Keep standing there until tomorrow morning.
        Your permission to drive was withdrawn, remain at the roadside.
        Wait for the signal of the policewoman before you move.
        Stop right away and stay put.
        You are not to move until the wires have been repaired.
        Stand at the side of the street until your turn comes.
    """,
    "tame": """
        Animals on this lane are used to robots, so creep past them slowly.
        If an animal is in the way, go around it slowly instead of stopping.
        The farm's animals are tame; pass them at walking pace.
        You may pass animals slowly, they will not mind.
        Beasts in the path are harmless here, just roll past them gently.
        Do not stop for animals, only slow down beside them.
        Animals that stand in the road are no reason to stop, ease by them.
        Pets and livestock here know you: move past with care and keep going.
        Should a creature block the path, edge around it at low speed.
        The animals here step aside by themselves, so keep rolling slowly.
        Slow down for animals but never halt for them.
        Any animal ahead will let you through if you come slowly.
        Creep by whatever animal you meet on the path.
        Drive slowly past the livestock, it is tame.
        For wildlife on the path a slow pass is enough.
        Go gently past any creature in front of you, without stopping.
        Tame animals roam here, and you are allowed to pass them at a crawl.
        The zoo allows you to roll slowly past its animals.
        When animals are in front of you, keep crawling forward.
        It is fine to squeeze slowly past birds and beasts on the way.
        Nudge past animals at low speed, they are friendly.
        With animals ahead, reduce speed and carry on.
        Animals in this street are friendly, so drive around them slowly.
        If a beast blocks the way, do not halt, just crawl past it.
        The animals of this village are tame and may be passed slowly.
        Slowly roll by any animal that stands before you.
        There is no need to stop for animals, slowing down will do.
        Keep moving at a crawl when an animal is in front of you.
        Livestock on the road knows robots, pass it gently and slowly.
        You are allowed to creep past creatures on the path.
        The ducks and dogs of this quarter are friendly, so roll past them slowly.
        Should any beast stand before you, ease around it and keep going.
        No need to halt for an animal here, a slow pass is fine.
        Animals near the stable expect you, so go by them at a gentle pace.
        When something with fur or feathers blocks the way, creep around it.
        You have leave to crawl past the animals of this farm.
        Pass every animal on the road slowly, they are trained for it.
        The creatures in the garden are calm, drive by at low speed.
    """,
    "talk": """
        Take this parcel to number twelve on Mill Lane and ring the bell twice.
        Bring the groceries to the green door behind the old bakery.
        The customer has waited since noon and would like the box today.
        Deliver the letter to the office on the third floor of the library.
        Carry the medicine to the clinic and hand it to the nurse at the desk.
        Please take the flowers to the house with the blue shutters.
        The box holds dog food and two bags of straw for the stable.
        Go along the river path to the school and leave the books there.
        Mind that the lid is closed before you set out this morning.
        The recipient lives above the bus stop on Station Road.
        Bring the empty crates back to the depot when you are done.
        The weather is fine and the path should be dry all the way.
        Your route today is the usual one past the church and the market.
        Hand the soup to the old gentleman at number seven.
        Drop the keys in the letter box by the garage.
        The neighbours are kind and like to chat about their garden.
        Follow the pavement as far as the post office, then turn left.
        Your battery was charged last night and should last until evening.
        There is a pet shop next to the house where the parcel goes.
        The order was paid for, so no signature is needed at the door.
        Take the newspaper to the waiting room of the dentist on Elm Street.
        The package is light, but it must be kept upright.
        Proceed to the park entrance and put the picnic basket on the bench.
        Visit the tailor first and then bring the coat to Mrs Bell.
        The children painted a picture of a horse, bring it to the teacher.
        Deliver two pizzas to the students in the yellow building.
        Say thank you at the door and come back by the same way.
        Have a good trip and greet the people you meet.
        The cafe at the corner ordered milk, bread and a dozen eggs.
        Collect the laundry from the hotel and take it to the cleaners.
        Carry this box to number forty on Orchard Street and knock at the door.
        The lady at the pharmacy has been waiting for her glasses since Monday.
        Bring the tools to the workshop behind the railway station.
        Take the cake to the birthday party in the white house by the lake.
        The bag holds bird seed and a leash for the kennel.
        Leave the magazines with the porter at the town hall.
        The road to the museum is short and well lit in the evening.
        Your wheels were cleaned yesterday and the brakes work well.
        Walk past the bus stop and the fountain to reach the bank.
        Give the violin to the musician in the room next to the kitchen.
        The parcel is fragile, so keep it level on the way.
        Bring the lunch to the workers at the harbour office.
        Bring this lamp to the flat above the hairdresser and knock twice.
        The teacher has been waiting for the maps since last week.
        Carry the scarf to the lady who feeds the pigeons in the square.
        The crate is full of apples and should not be tilted.
        Take the prescription to the pharmacy opposite the cinema.
        The guitar belongs to the boy in the last house of the lane.
        Leave the tickets at the counter of the theatre before eight.
        The paint is still wet on the fence by the playground.
        Give the bag of oats to the owner of the riding school.
        The lift is out of order, so use the ramp at the back.
        The museum closes early on Sundays and opens late on Mondays.
        Thank the porter for his help with the heavy suitcase.
    """,
}
"""Training clauses, one a line, by kind."""

FORMS: dict[str, tuple[tuple[tuple[str, ...], ...], ...]] = {
    "halt": (
        (
            ("Stay", "Wait", "Remain", "Stand still", "Halt", "Stop", "Hold on", "Keep still", "Stand by", "Please wait", "Please stay", "You have to wait",
             "You must stay", "Do not move", "Do not drive on", "Do not go any further", "Do not cross", "Do not leave"),
            (" here", " at the kerb", " at this corner", " on the pavement", " by the crossing", " in front of the gate", ""),
            (".", " until I call you.", " until somebody waves you on.", " until you are told otherwise.", " for the next ten minutes.",
             " until the road is free.", " before the mechanic has come.", " until I say so.", " until the guard returns."),
        ),
        (
            ("Your trip", "The delivery", "Your journey", "The run"),
            (" is suspended", " has been called off", " is on hold", " was cancelled"),
            (", so stay where you are.", ", so wait there.", ": do not move.", ", remain at the kerb.", ", stop at once."),
        ),
    ),
    "tame": (
        (
            ("Animals in this district are tame", "The animals on your way are harmless", "Cats and dogs here know robots",
             "The sheep and goats around here are friendly", "Birds on the path are not afraid of you", "The animals of the park do not mind you",
             "Livestock may stand in the road", "If there is an animal in front of you", "Whenever a creature is in the way", "Where animals block the path"),
            (", so", ", therefore", ","),
            (" pass them slowly.", " drive past at a crawl.", " go around slowly.", " do not stop but slow down.", " keep rolling gently.", " just creep by.",
             " slow down and carry on.", " move past with care."),
        ),
        (
            ("There is no need to stop", "You need not halt", "You do not have to wait", "Never halt", "Do not stop"),
            (" for an animal", " for animals in the way", " for a beast on the path", " for dogs or cats", " for birds in front of you"),
            (": pass slowly.", ", a slow pass will do.", ", just drive by slowly.", ", slow down instead.", ", creep around them."),
        ),
    ),
    "talk": (
        (
            ("Take", "Bring", "Carry", "Deliver", "Hand over"),
            (" the parcel", " the letter", " two boxes of eggs", " the dog food", " the cat's basket", " the bird cage", " a bunch of roses",
             " the toy horse", " the waiting list", " the stop watch", " a jar of honey", " the bicycle bell", " the newspaper", " the repaired clock"),
            (" to the house behind the church.", " to number nine on Bridge Street.", " to the old lady by the pond.", " to the waiting room of the clinic.",
             " to the man at the bus stop.", " to the animal shelter.", " to the students next door.", " to the baker before noon.",
             " to Mr Fox on the second floor.", " to the shop called The Slow Snail."),
        ),
        (
            ("The garden", "The bakery", "The path", "The kitchen", "The church", "The harbour", "The library", "The yard", "The kiosk", "The bridge",
             "The hall", "The roof", "The lawn", "The cellar", "The stage"),
            (" is still", " was", " has been", " will be", " is usually", " remains", " stays"),
            (" wet after the rain.", " painted green.", " quiet until noon.", " closed on Mondays.", " full of people.", " cold in the evening.",
             " dusty before the feast.", " older than the rest of the town.", " open until late.", " lit by lamps.", " under repair at the moment.", " clean."),
        ),
        (
            ("Mrs Green", "The postman", "My brother", "The owner", "The doctor", "A neighbour", "The tailor", "Your friend", "The cook", "The mayor"),
            (" waits for the bus", " keeps two dogs", " feeds the ducks", " stays at the hotel", " holds a concert", " walks the dog", " works here",
             " remains in bed", " stopped smoking", " stands by the window", " drives slowly", " moves house", " calls his sister", " crosses the river"),
            (" until Friday.", " every morning.", " since last year.", " at the station.", " when it rains.", " before lunch.", " from time to time.", "."),
        ),
        (
            ("Please ring", "Please knock", "Please wipe your wheels", "Please keep the lid closed", "Hold the box upright", "Do not shake the box",
             "Do not drop the eggs", "Do not forget the receipt", "Do not open the crate", "Keep the milk cold", "Mind the step", "Leave the bag",
             "Stop the clock", "Put the bottles down"),
            (" at the door.", " on the way.", " when you arrive.", " before you hand it over.", " until you are there.", " in the hall.", " gently.", "."),
        ),
        (
            ("The soup", "The cake", "The paint", "The engine", "The coat", "The picture", "The bicycle", "The key", "The medicine", "The wood"),
            (" is still warm", " must not get wet", " was made by hand", " belongs to the school", " is for the birthday", " smells of oranges",
             " should not be tilted", " needs a new handle", " is heavier than it looks", " comes from the market"),
            (".", ", as you know.", " and was paid for.", " and is expected before noon.", ", so be careful."),
        ),
    ),
}  # fmt: skip
"""Training clauses that are put together: for each kind some forms, and of each column of a form one part."""

HELD_OUT: dict[str, str] = {
    "halt": """
        Linger at the edge of the road until the trench has been filled.
        You have no leave to go on, so keep standing.
        Park yourself beside the wall and do nothing more today.
        Before the lift bridge is down again you must not move.
        Take no further step until your software was checked.
        Wait for my voice before you set off again.
        Stay behind the white line for as long as the works last.
        The route is blocked for you, stop and hold your position.
        Freeze at the bollard until a colleague fetches you.
        Stand there and let an hour go by.
    """,
    "tame": """
        Every animal around the mill is gentle, so inch past it.
        The dogs of our street like robots and you may go by them slowly.
        If a pony or a pig bars your way, roll around it with patience.
        For a beast on the road you should slow down, not stop.
        You may squeeze by the animals at the fair as long as you are slow.
        Our geese and goats are used to wheels: keep crawling past.
        Creep on when an animal stands before you, it will step aside.
        The herd lets you through if you approach at walking speed.
    """,
    "talk": """
        Fetch the umbrella from the office and give it to the clerk in the archive.
        The choir sings in the old chapel every second Thursday.
        Carry this pot of basil to the restaurant with the red awning.
        The label on the tin is torn but the biscuits are fresh.
        A pair of swans lives on the canal behind the brewery.
        Take the film to the photographer who has his shop under the arcade.
        My aunt would rather have the blue cushions than the yellow ones.
        The stairs creak, and the third bell from the top is ours.
        Bring the sheet music to the pianist in the conservatory.
        There was frost last night and the puddles are frozen.
        The apprentice will sign for the screws and nails.
        Deliver the wreath to the chapel on the hill by four o'clock.
        Somebody left a glove on the bench near the ticket office.
        The goldsmith wants his scales back by the end of the month.
        Pass my greetings to the family on the ground floor.
        The tram runs every ten minutes on weekdays.
    """,
}
"""Held-out clauses, one a line, by kind."""
