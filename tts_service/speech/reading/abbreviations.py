"""Words whose full stop does not end a sentence, in the six languages the service cuts. Data only.

Keys are lower case, without the last full stop. Each group says what may follow.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Before a name, when written with a capital: "Dr. No", but "10 hr. No stops."
TITLES = _words("""
    dr mr mrs ms prof rev gen col capt lt sgt hon gov sen rep pres messrs fr mt ft ste av mm mme mlle
    mmes mlles mgr hr hrn frl dipl ing sr sra sta sto srta sres dña dn dra lic ph ud uds vd
""")

#: Never the last word of a sentence, when not written in capitals ("CA." is a state).
NEVER_LAST = _words("""
    av bd ét vs viz inkl exkl cf ca approx incl excl al resp figs e.g i.e z.b d.h u.a o.ä u.ä s.o s.u
    i.d.r i.a m.e v.a bzw ggf evtl zzgl abzgl vgl sog allg bd abb p.ex c.-à-d c.à.d p.ej aprox avda
""")

#: Abbreviations only in front of a figure: "No. 5", but "No. I do not."
BEFORE_FIGURES = _words("""
    ext ft lb lbs hr hrs sta no nos n nr p pp s vol vols kap abs ziff st col cap art fig eq ch sec ver max min
    mind env est apr tel tél núm pág págs par jan feb mar apr jun jul aug sep sept oct okt nov dec dez
    janv févr juil déc ene abr ago dic
""")

#: The last word when a capital follows: "milk, eggs, etc. Then ..."
LAST_BEFORE_CAPITAL = _words("""
    etc usw usf u.s.w a.m p.m
""")

#: The last word only when the next one is a word that usually begins a sentence: "in the U.S. The ..."
MAYBE_LAST = _words("""
    inc ltd co corp jr st ave blvd rd u.s u.k u.n e.u d.c ph.d m.d b.a m.a u.s.a uu ee.uu chr str gmbh
    s.a s.l cía c.v jan feb mar apr jun jul aug sep sept oct nov dec janv févr juil déc dept univ bros
""")

#: Clock words after "9 a.m." that carry the sentence on.
AFTER_CLOCK = _words("""
    monday tuesday wednesday thursday friday saturday sunday eastern central mountain pacific est edt
    cst cdt mst mdt pst pdt et ct pt gmt utc cet
""")

GERMAN_MONTHS = _words("""
    januar jänner februar märz april mai juni juli august september oktober november dezember jan feb
    mär apr jun jul aug sep sept okt nov dez
""")

#: Words that begin sentences far more often than they follow an abbreviation, an initial or an ordinal.
STARTERS = _words("""
    the this that these those it it's its he she they we we'll you i i'm in on at but and so if when
    while after before for from however there then here my our your his her their what who how why
    where please also as an a to with not no yes let let's do does did is are can could would will
    should once next now although because since have has see use try go get make take call read visit
    check contact thanks another some many most all both each every by le la les il elle ils elles on
    nous vous je tu ce cette ces c'est un une des et mais donc pour dans en avec sur si quand puis
    ensuite mon votre notre son cela ça voici der die das den dem ein eine es er sie wir ich ihr und
    aber dann danach wenn bitte im am auf für mit von zu bei nach diese dieser dieses alle hier da
    auch nun damit falls außerdem el los las una es y pero con por para cuando luego después su este
    esta esto se yo no tú también además
""")
