/*
 * A transfer that is interrupted and resumed (warp-transfer, resume): OFFER, ACCEPT with what is journalled (HAVE), LISTING or
 * SAME for each, WANT, FRAMEs, FINISH, publishing, DONE. The receiver owns the ticket; with RIVAL two senders hold it.
 * The connection may break, and either side be killed, FAULTS times at any point; what a process held is lost then,
 * what it made durable stays, and it is started again.
 *
 * Checked: no chunk is lost, none that is journalled is sent or applied again, each name is published once; the
 * ticket belongs to the first peer that is accepted and to no other, also after a restart; in the end the transfer is
 * completed and its sender has been told, the other one was refused, and nothing temporary is left; no deadlock.
 *
 * Bugs that the check must find: BUG_JOURNAL (a chunk is journalled before it is durable), BUG_BIND (the ticket is
 * bound after the peer was accepted), BUG_REMOVE (the staging directory goes before it is recorded that the transfer
 * is complete), BUG_DONE (a completed ticket refuses the sender that has not heard of it), BUG_ASKED (a chunk of two
 * listings is wanted twice).
 *
 * run: holds safety -DFAULTS=2
 * run: holds safety -DFAULTS=1 -DRIVAL
 * run: holds ltl -DFAULTS=1
 * run: fails safety -DFAULTS=1 -DBUG_JOURNAL
 * run: fails safety -DFAULTS=2 -DBUG_BIND -DRIVAL
 * run: fails safety -DFAULTS=1 -DBUG_REMOVE
 * run: fails safety -DFAULTS=1 -DBUG_DONE
 * run: fails safety -DFAULTS=0 -DBUG_ASKED
 */
#ifndef FAULTS
#define FAULTS 2
#endif
#define QUEUE 2
#define LISTINGS 2
/* Chunks of a listing, as bits; chunk 1 is in both. */
#define CHUNKS_OF(listing) (listing == 0 -> 3 : 6)
#define ALL_CHUNKS 7
/* Top-level names that are moved from the staging directory to their place. */
#define NAMES 2
#define ALL_NAMES 3
#define NOBODY 9

#define BIT(n) (1 << (n))

mtype = { OFFER, ACCEPT, REFUSED, LISTING, SAME, WANT, FRAME, FINISH, DONE }
chan toReceiver[2] = [QUEUE] of { mtype, byte };
chan toSender[2] = [QUEUE] of { mtype, byte };

/* The connection: one at a time. Once it broke what is sent is lost; what arrived before may still be read, or not. */
bool isUp;
bool isListening;
byte caller;              /* the sender that has it, or had it last */
#define IS_UP(who) (isUp && caller == who)

/* Kills that have not taken effect. */
bool isReceiverKilled, isSenderKilled[2];

/* Durable: at the receiver. */
byte bound = NOBODY;      /* who may use the ticket */
byte data;                /* chunks that are on disk in the staging directory */
byte journalChunks, journalListings;
byte published;           /* names */
bool isStaged = true;     /* the staging directory is there, or is not needed yet */
bool isPublishing;        /* recorded: all is there */
bool isCompleted;         /* recorded, for as long as the ticket could be used */

/* What happened, for the checks. */
byte firstAccepted = NOBODY;
byte everJournalled;      /* chunks */
bool isFinished[2], isRefused[2], isOver[2];

/* Only where there is room, or it does not matter. */
#define CAN_SEND(queue, who) (!IS_UP(who) || nfull(queue))
inline send(queue, who, kind, content) {
  atomic {
    CAN_SEND(queue, who);
    if
    :: IS_UP(who) -> queue!kind(content)
    :: else
    fi
  }
}

inline hang_up() { isUp = false }

proctype Sender(byte me) {
  byte known;    /* listings that the receiver has */
  byte next, answered, wanted, value;
again:
  {
    skip;
connect:
    next = 0; answered = 0; wanted = 0; known = 0;
    atomic {
      isListening && !isUp ->
      isListening = false;
      caller = me;
      isUp = true;
      do
      :: toReceiver[me]?_, _
      :: toSender[me]?_, _
      :: empty(toReceiver[me]) && empty(toSender[me]) -> break
      od;
      send(toReceiver[me], me, OFFER, me)
    }
    if
    :: toSender[me]?ACCEPT(known)
    :: atomic { toSender[me]?REFUSED(_) -> isRefused[me] = true; hang_up(); goto over }
    :: atomic { toSender[me]?DONE(_) -> isFinished[me] = true; hang_up(); goto over }
    :: !IS_UP(me) -> goto connect
    fi;
    do
    :: atomic { next < LISTINGS && CAN_SEND(toReceiver[me], me) ->
        if
        :: known & BIT(next) -> send(toReceiver[me], me, SAME, next)
        :: else -> send(toReceiver[me], me, LISTING, next)
        fi;
        next++ }
    :: atomic { toSender[me]?WANT(value) -> wanted = wanted | value; answered++; value = 0 }
    :: atomic { wanted != 0 && CAN_SEND(toReceiver[me], me) ->
        /* Any of them. */
        if
        :: wanted & BIT(0) -> value = 0
        :: wanted & BIT(1) -> value = 1
        :: wanted & BIT(2) -> value = 2
        fi;
        wanted = wanted & (ALL_CHUNKS - BIT(value));
        send(toReceiver[me], me, FRAME, value);
        value = 0 }
    :: next == LISTINGS && answered == LISTINGS && wanted == 0 -> break
    :: !IS_UP(me) -> goto connect
    od;
    send(toReceiver[me], me, FINISH, 0);
    if
    :: atomic { toSender[me]?DONE(_) -> isFinished[me] = true; hang_up(); goto over }
    :: !IS_UP(me) -> goto connect
    fi
  } unless {
    atomic { isSenderKilled[me] -> isSenderKilled[me] = false; next = 0; answered = 0; wanted = 0; known = 0; value = 0 }
  };
  goto again;
over:
  isOver[me] = true
}

/* Asks for the chunks of a listing that are neither here nor on their way. */
inline answer() {
#ifdef BUG_ASKED
  want = CHUNKS_OF(value) & (ALL_CHUNKS - (journalChunks | applied));
#else
  want = CHUNKS_OF(value) & (ALL_CHUNKS - (journalChunks | applied | asked));
#endif
  asked = asked | want;
  value = 0;
  send(toSender[caller], caller, WANT, want);
  want = 0
}

/* Data first, then the journal that says so. */
inline checkpoint() {
#ifdef BUG_JOURNAL
  journalChunks = journalChunks | applied;
  data = data | applied;
#else
  data = data | applied;
  journalChunks = journalChunks | applied;
#endif
  atomic {
    everJournalled = everJournalled | journalChunks;
    journalListings = journalListings | listings;
    applied = 0;
    listings = 0
  }
}

/* Goes on where it was interrupted. */
inline publish() {
  assert((data & ALL_CHUNKS) == ALL_CHUNKS);
  do
  :: atomic { !(published & BIT(name)) && name < NAMES -> published = published | BIT(name); name++ }
  :: atomic { (published & BIT(name)) && name < NAMES -> name++ }
  :: atomic { name == NAMES -> name = 0; break }
  od;
#ifdef BUG_REMOVE
  remove_staging();
  isCompleted = true
#else
  isCompleted = true;
  remove_staging()
#endif
}

/* The journal of what was received is in it. */
inline remove_staging() {
  atomic {
    isStaged = false;
    isPublishing = false;
    data = 0;
    journalChunks = 0;
    journalListings = 0
  }
}

proctype Receiver() {
  byte applied;  /* chunks that were written and are not durable */
  byte listings;    /* that came and are not journalled */
  byte asked;    /* chunks, of this connection */
  byte want, value, name;
start:
  {
    if
    :: isPublishing && !isCompleted -> goto publishing
    :: isCompleted && isStaged -> remove_staging()
    :: else
    fi;
listen:
    atomic { asked = 0; value = 0; want = 0; isListening = true }
end_listening:
    /* caller: a connection; its number is what the OFFER says, of which nothing else is known. */
    !isListening;
    if
    :: atomic { toReceiver[caller]?OFFER(value) }
    :: !isUp -> goto listen
    fi;
    if
    :: bound != NOBODY && bound != value -> send(toSender[caller], caller, REFUSED, 0); goto wait
    :: isCompleted && bound == value ->
#ifdef BUG_DONE
      send(toSender[caller], caller, REFUSED, 0);
#else
      send(toSender[caller], caller, DONE, 0);
#endif
      goto wait
    :: else
    fi;
#ifndef BUG_BIND
    bound = value;
#endif
    atomic {
      assert(firstAccepted == NOBODY || firstAccepted == value);
      firstAccepted = value
    }
    send(toSender[caller], caller, ACCEPT, journalListings);
#ifdef BUG_BIND
    bound = value;
#endif
    do
    :: atomic { toReceiver[caller]?LISTING(value) -> listings = listings | BIT(value); answer() }
    :: atomic { toReceiver[caller]?SAME(value) -> assert(journalListings & BIT(value)); answer() }
    :: atomic { toReceiver[caller]?FRAME(value) ->
        assert(!((everJournalled | applied) & BIT(value)));
        assert(asked & BIT(value));
        applied = applied | BIT(value);
        value = 0 }
    :: applied != 0 || listings != 0 -> checkpoint()
    :: atomic { toReceiver[caller]?FINISH(value) ->
        assert((journalChunks | applied) == ALL_CHUNKS) }
      break
    :: !isUp -> goto listen
    od;
    checkpoint();
    isPublishing = true;
publishing:
    publish();
    /* To nobody, if it was started again. */
    send(toSender[caller], caller, DONE, 0);
wait:
    !isUp;
    goto listen
  } unless {
    atomic { isReceiverKilled ->
      isReceiverKilled = false;
      applied = 0; listings = 0; asked = 0; want = 0; value = 0; name = 0 }
  };
  goto start
}

proctype Fault() {
  byte left = FAULTS;
  do
  :: left > 0 && isUp -> atomic { left--; hang_up() }
  :: left > 0 && !isReceiverKilled -> atomic { left--; isReceiverKilled = true; isListening = false; hang_up() }
  :: left > 0 && !isOver[0] -> atomic { left--; isSenderKilled[0] = !isOver[0]; if :: caller == 0 -> hang_up() :: else fi }
#ifdef RIVAL
  :: left > 0 && !isOver[1] -> atomic { left--; isSenderKilled[1] = !isOver[1]; if :: caller == 1 -> hang_up() :: else fi }
#endif
  :: break
  od
}

#ifdef RIVAL
#define TOLD(me) (bound == me && isFinished[me] && isRefused[1 - me])
#else
#define TOLD(me) (bound == me && isFinished[me])
#endif
#define COMPLETED (isCompleted && published == ALL_NAMES && !isStaged && (TOLD(0) || TOLD(1)))

/* When nothing can move any more. */
proctype Outcome() {
  timeout -> assert(COMPLETED)
}

init {
  atomic {
    run Receiver();
    run Sender(0);
#ifdef RIVAL
    run Sender(1);
#endif
    run Fault();
    run Outcome()
  }
}

ltl completes { <> COMPLETED }
