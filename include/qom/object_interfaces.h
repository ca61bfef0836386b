/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Objects that a user creates: --object and object-add.
 *
 * Theory of operation: a type that offers the interface TYPE_USER_CREATABLE can be made by name.
 * The object gets its properties one by one, becomes a child of /objects, and complete() turns
 * it into something that works; any failure on the way undoes all of it. It lives until
 * user_creatable_del(), which can_be_deleted() may refuse, or user_creatable_cleanup().
 *
 * Everything here runs in the main loop. Nothing blocks except what a type's complete() does.
 */
#ifndef QOM_OBJECT_INTERFACES_H
#define QOM_OBJECT_INTERFACES_H

#include "qapi/qapi-types-qom.h"
#include "qom/object.h"

#define TYPE_USER_CREATABLE "user-creatable"

typedef struct UserCreatableClass UserCreatableClass;
/* An interface has no instance structure of its own. */
typedef struct UserCreatable UserCreatable;

struct UserCreatableClass {
    InterfaceClass parent_class;

    /* All properties are set and the object is in the tree: start working. May be NULL. */
    void (*complete)(UserCreatable *uc, Error **errp);
    /* Whether nothing uses the object. NULL: it can always go. */
    bool (*can_be_deleted)(UserCreatable *uc);
};

DECLARE_CLASS_CHECKERS(UserCreatableClass, USER_CREATABLE, TYPE_USER_CREATABLE)
#define USER_CREATABLE(obj) INTERFACE_CHECK(UserCreatable, (obj), TYPE_USER_CREATABLE)

/* Call the type's complete(), if it has one. */
bool user_creatable_complete(UserCreatable *uc, Error **errp);
/* Ask the type's can_be_deleted(), if it has one. */
bool user_creatable_can_be_deleted(UserCreatable *uc);

/*
 * user_creatable_add_type: make an object of @type and complete it.
 * @id: its name in /objects; NULL keeps it out of the tree.
 * @qdict: which properties to set, in this order.
 * @v: gives their values; an input visitor over a struct with these members.
 * Returns a new reference, or NULL with @errp set and nothing left behind.
 */
Object *user_creatable_add_type(const char *type, const char *id, const QDict *qdict, Visitor *v,
                                Error **errp);

/* user_creatable_add_qapi: the same from the schema's struct, which stays the caller's. */
void user_creatable_add_qapi(ObjectOptions *options, Error **errp);

/* user_creatable_parse_str: the struct from option text (key=value,... or JSON); NULL on error. */
ObjectOptions *user_creatable_parse_str(const char *str, Error **errp);
bool user_creatable_add_from_str(const char *str, Error **errp);

/*
 * user_creatable_help: the help that the option text @str asks for ("help", "TYPE,help"), to be
 * freed by the caller; NULL when it asks for none.
 */
char *user_creatable_help(const char *str);

/* user_creatable_del: delete /objects/@id, unless it is missing or in use. */
bool user_creatable_del(const char *id, Error **errp);

/* user_creatable_cleanup: delete every user-created object; nothing may use them any more. */
void user_creatable_cleanup(void);

#endif /* QOM_OBJECT_INTERFACES_H */
